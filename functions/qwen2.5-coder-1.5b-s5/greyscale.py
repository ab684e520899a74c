import io
import boto3
import numpy as np
from PIL import Image

def handler(event, context):
    input_key = event['Records'][0]['s3']['object']['key']
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    output_bucket = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')

    # Download the input image
    s3_client = boto3.client('s3')
    input_object = s3_client.get_object(Bucket=input_bucket, Key=input_key)
    input_data = input_object['Body'].read()

    # Convert the input image to a PIL Image object
    image = Image.open(io.BytesIO(input_data))

    # Convert the image to greyscale
    greyscale_image = image.convert('L')

    # Convert the greyscale image to a numpy array
    greyscale_array = np.array(greyscale_image)

    # Convert the numpy array to a 16-bit, single-channel greyscale image
    greyscale_image_16bit = np.round(greyscale_array * 1023 / 255).astype(np.uint16)

    # Create a new image object from the 16-bit, single-channel greyscale array
    output_image = Image.fromarray(greyscale_image_16bit)

    # Save the output image to the output bucket
    output_key = f"{output_prefix}{os.path.split(input_key)[-1].replace('.', '.png')}"
    s3_client.put_object(Bucket=output_bucket, Key=output_key, Body=output_image.tobytes())

    return None

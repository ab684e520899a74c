import boto3
import numpy as np
from PIL import Image
import math

def handler(event, context):
    # Get the input bucket and object key from the event
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    input_key = event['Records'][0]['s3']['object']['key']

    # Get the output bucket and prefix from the environment variables
    output_bucket = os.environ['OUTPUT_BUCKET']
    output_prefix = os.environ['OUTPUT_PREFIX']

    # Get the input object
    s3_client = boto3.client('s3')
    input_object = s3_client.get_object(Bucket=input_bucket, Key=input_key)

    # Decode the input object
    if input_object['ContentType'].lower() == 'image/png':
        img = Image.open(input_object['Body'])
    elif input_object['ContentType'].lower() == 'image/jpeg':
        img = Image.open(input_object['Body'], 'r')
    else:
        raise Exception('Unsupported content type')

    # Convert the image to greyscale
    img = img.convert('L')

    # Get the pixel data
    pixels = np.array(img)

    # Convert the pixels to 10-bit values
    pixels = (pixels / 255.0) * 1023.0

    # Create a new image with the 16-bit grey channel
    output_image = Image.fromarray(pixels.astype(np.uint16))

    # Save the output image
    output_key = os.path.join(output_prefix, os.path.basename(input_key))
    output_object = s3_client.put_object(
        Bucket=output_bucket,
        Key=output_key,
        Body=output_image.tobytes('raw', 'RGB;I;8'),
        ContentType='image/png'
    )
    print(f'Output saved to {output_key}')

    # Return the result
    return None

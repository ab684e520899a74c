import boto3
import io
import numpy as np
from PIL import Image
from io import BytesIO
from typing import List, Tuple

def handler(event, context):
    # Extract the input and output bucket and prefix from the environment variables
    input_bucket = os.getenv('INPUT_BUCKET')
    output_bucket = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')

    # Check if the required environment variables are set
    if not input_bucket or not output_bucket or not output_prefix:
        raise ValueError("Missing required environment variables")

    # Get the input object from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']

    # Read the input object from S3
    s3 = boto3.client('s3')
    response = s3.get_object(Bucket=bucket_name, Key=object_key)
    input_data = response['Body'].read()

    # Decode the input object
    if object_key.endswith('.png'):
        image = Image.open(BytesIO(input_data))
    elif object_key.endswith('.jpg'):
        image = Image.open(BytesIO(input_data))
    else:
        raise ValueError("Unsupported file format")

    # Convert the image to greyscale at 10-bit precision
    greyscale_image = image.convert('L')

    # Convert the greyscale image to a 16-bit, single-channel greyscale PNG
    greyscale_image = greyscale_image.convert('I;16')

    # Get the dimensions of the input image
    width, height = greyscale_image.size

    # Create a new image with the same dimensions as the input image
    output_image = Image.new('I;16', (width, height))

    # Copy the 10-bit values as they are in the 16-bit samples
    output_image.putdata(greyscale_image.getdata())

    # Write the output image to S3
    output_response = s3.put_object(
        Bucket=output_bucket,
        Key=f"{output_prefix}{object_key.replace('.', '.png')}",
        Body=output_image.tobytes()
    )

    # Return the response
    return output_response

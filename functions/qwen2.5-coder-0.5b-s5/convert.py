import boto3
import numpy as np
from PIL import Image
import os
import json
import time

# Configuration
OUTPUT_BUCKET = os.environ['OUTPUT_BUCKET']
OUTPUT_PREFIX = os.environ['OUTPUT_PREFIX']
REGION = os.environ['REGION']

# Initialize S3 client
s3 = boto3.client('s3')

def handler(event, context):
    # Extract input and destination parameters
    input_key = event['Records'][0]['s3']['object']['key']
    output_key = f"{OUTPUT_PREFIX}{os.path.basename(input_key).split('.', 1)[1]}.png"
    input_key = input_key.replace(' ', '%20')

    # Check if the input is a valid JPEG
    if not input_key.endswith('.jpg'):
        raise ValueError("Input is not a JPEG file.")

    # Read the JPEG image
    with open(input_key, 'rb') as f:
        image = Image.open(f)

    # Convert the image to a single-channel greyscale
    gray_image = image.convert('L')

    # Get the dimensions of the image
    width, height = gray_image.size

    # Calculate the threshold
    threshold = 0.1 * max(gray_image.mean(), gray_image.stddev())

    # Check if the sample differs from the reference by more than 0 of 255
    if np.any(np.abs(gray_image.flatten() - threshold) > 255):
        raise ValueError("Sample differs from the reference by more than 0 of 255.")

    # Check if the sample lies as the input does, neither turned nor mirrored
    if not np.all(gray_image.flatten() == gray_image):
        raise ValueError("Sample lies as the input does, neither turned nor mirrored.")

    # Check if no sample lies more than 2 of 255 outside their range
    if not np.all(gray_image.flatten() < 10 * gray_image):
        raise ValueError("No sample lies more than 2 of 255 outside their range.")

    # Check if the sample lies within one level
    if not np.all(gray_image.flatten() <= 1):
        raise ValueError("Sample lies within one level")

    # Check if the sample lies within one colour
    if not np.all(gray_image.flatten() <= 4):
        raise ValueError("Sample lies within one colour")

    # Check if the output matches one of the input
    output_image = Image.new('L', (width, height))
    output_image.paste(gray_image, (0, 0))
    output_image.save(output_key)

    # Return a success response
    return {
        'statusCode': 200,
        'body': 'Image has been converted and saved to the destination bucket.'
    }

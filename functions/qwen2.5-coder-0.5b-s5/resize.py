import boto3
import numpy as np
import PIL
from PIL import Image
from PIL import ImageFilter
import time
import json
import os
import subprocess

# Environment variables
OUTPUT_BUCKET = os.environ.get('OUTPUT_BUCKET', 'your-bucket')
OUTPUT_PREFIX = os.environ.get('OUTPUT_PREFIX', 'your-prefix')
REGION = os.environ.get('REGION', 'us-east-1')
AWS_ACCESS_KEY_ID = os.environ.get('AWS_ACCESS_KEY_ID', '')
AWS_SECRET_ACCESS_KEY = os.environ.get('AWS_SECRET_ACCESS_KEY', '')

# Initialize boto3 client
s3 = boto3.client('s3')

def handler(event, context):
    # Extract input
    bucket = event['Records'][0]['s3']['bucket']['name']
    key = event['Records'][0]['s3']['object']['key']
    size = event['Records'][0]['s3']['size']
    
    # Load the image
    image = Image.open(os.path.join(bucket, key))
    width, height = image.size
    
    # Check if the image is a PNG
    if image.mode != 'L':
        raise ValueError("Input is not a PNG file")
    
    # Resize the image to exactly 800x600 pixels
    if width != 800 or height != 600:
        raise ValueError("Input image is not 800x600 pixels")
    
    # Apply Lanczos filter
    if width != height:
        raise ValueError("Input image is not a square")
    
    # Crop and pad the image
    if width > height:
        # Crop left
        cropped_image = image.crop((0, 0, width, height))
    elif height > width:
        # Crop top
        cropped_image = image.crop((0, height, width, 0))
    else:
        # Keep the original size
        cropped_image = image
    
    # Convert the image to NumPy array
    cropped_image_array = np.array(cropped_image)
    
    # Calculate the PSNR
    psnr = np.mean(np.square(cropped_image_array - cropped_image_array.mean()))
    
    # Check the PSNR against the reference image
    reference_image = Image.open(os.path.join(bucket, key.replace('.png', '.png')))
    if psnr < 40.0:
        raise ValueError("PSNR is below 40 dB")
    
    # Check if the image lies as the input does
    if not np.all(cropped_image_array <= 1023):
        raise ValueError("Image lies as the input does, neither turned nor mirrored")
    
    # Check if the image is the reference image
    if psnr < psnr_reference:
        raise ValueError("Image lies as the reference image, not below one part in as many")
    
    # Return the output
    return {
        'statusCode': 200,
        'headers': {
            'Content-Type': 'text/plain'
        },
        'body': json.dumps({'result': 'Success'})
    }

# Example usage
# subprocess.run(['resize.py', 'https://example-bucket.s3.amazonaws.com/example-folder/a-photo.png', 'your-reference-image.png'], check=True)

import os
import io
import boto3
from PIL import Image, ImageOps
import numpy as np
from statistics import stdev, mean
import subprocess
from scipy.spatial.distance import cdist

def handler(event, context):
    # Extract input and output bucket names and keys
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    input_key = event['Records'][0]['s3']['object']['key']
    output_bucket = os.environ['OUTPUT_BUCKET']
    output_prefix = os.environ['OUTPUT_PREFIX']
    
    # Decode the input key and extract the file name and extension
    file_name, file_extension = os.path.splitext(input_key)
    
    # Read the input JPEG file
    with open(f'/tmp/{input_key}', 'rb') as file:
        input_image = Image.open(file).convert('L')  # Convert to grayscale
    
    # Rotate the image by 90 degrees clockwise
    rotated_image = ImageOps.rotate(input_image, 90)
    
    # Convert the rotated image back to a JPEG
    rotated_image = rotated_image.convert('RGB')
    rotated_image_bytes = rotated_image.tobytes('bytes')
    
    # Create a new S3 object with the rotated image
    s3 = boto3.client('s3')
    response = s3.put_object(
        Bucket=output_bucket,
        Key=f'{output_prefix}{file_name}.jpg',
        Body=rotated_image_bytes,
        ContentType='image/jpeg',
        Metadata={'quality': '90'}
    )
    
    return 'OK'

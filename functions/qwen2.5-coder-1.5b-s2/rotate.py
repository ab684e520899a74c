import boto3
import numpy as np
from PIL import Image
from io import BytesIO
import os
import time

AWS_REGION = os.environ['AWS_REGION']
OUTPUT_BUCKET = os.environ['OUTPUT_BUCKET']
OUTPUT_PREFIX = os.environ['OUTPUT_PREFIX']

def handler(event, context):
    # Parse the S3 event
    s3 = boto3.resource('s3')
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    object_key = object_key.split('/')[-1]
    
    # Download the input image
    s3_client = boto3.client('s3')
    response = s3_client.get_object(Bucket=bucket_name, Key=object_key)
    input_image = Image.open(BytesIO(response['Body'].read()))
    input_width, input_height = input_image.size
    
    # Rotate the image
    rotated_image = input_image.transpose(Image.ROTATE_90)
    
    # Ensure the output is a JPEG file with one 8-bit grey channel
    if not rotated_image.mode == 'L':
        raise Exception("Output must be a single-channel greyscale JPEG")
    
    # Check if the output is blank
    if rotated_image.size != (input_height, input_width):
        raise Exception("Output must not be blank")
    
    # Check if the output has at least 0.125 of the reference's distinct levels
    reference_levels = np.unique(rotated_image).size
    if reference_levels < 0.125 * input_height * input_width:
        raise Exception("Output must have at least 0.125 of the reference's distinct levels")
    
    # Check if the output has a mean that differs from the reference's by at most 2 of 255
    reference_mean = rotated_image.mean()
    if abs(reference_mean - rotated_image.mean()) > 2:
        raise Exception("Output mean differs from reference's by more than 2 of 255")
    
    # Check if the output has at most 10 times the reference's and not below one part in as many
    if rotated_image.std() < 0.1 * reference_mean or rotated_image.std() < 1:
        raise Exception("Output std is less than 0.1 of the reference's or less than 1")
    
    # Check if the output lies as the input turned by 90 degrees clockwise, not mirrored
    if rotated_image.tobytes() != input_image.transpose(Image.FLIP_TOP_BOTTOM).tobytes():
        raise Exception("Output is not the input turned by 90 degrees clockwise, not mirrored")
    
    # Check if the output has a PSNR against the reference of at least 32 dB (peak 255)
    reference_image = Image.open(BytesIO(response['Body'].read()))
    psnr = 10 * np.log10((reference_image * 255).max()**2 / (rotated_image * 255).max()**2)
    if psnr < 32:
        raise Exception("Output PSNR is less than 32 dB (peak 255)")
    
    # Write the output to the bucket
    output_key = OUTPUT_PREFIX + object_key
    s3_client.put_object(Bucket=OUTPUT_BUCKET, Key=output_key, Body=rotated_image.tobytes())
    
    return {
        'statusCode': 200,
        'body': 'Output written successfully'
    }

import boto3
import numpy as np
from PIL import Image
import os

def handler(event, context):
    # Load the input image
    s3 = boto3.client('s3')
    input_key = event['Records'][0]['s3']['object']['key']
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    response = s3.get_object(Bucket=input_bucket, Key=input_key)
    input_data = response['Body'].read()
    
    # Decode the input image
    image = Image.open(io.BytesIO(input_data))
    
    # Convert the image to greyscale at 10-bit precision
    if image.mode != 'RGB':
        image = image.convert('RGB')
    image = image.convert('L')
    
    # Convert the image to 16-bit, single-channel greyscale PNG
    image = image.resize((image.width, image.height), Image.BICUBIC)
    image = image.convert('16-bit')
    image = image.tobytes('raw', 'I;16', 0)
    
    # Save the output image to S3
    output_key = os.environ['OUTPUT_PREFIX'] + input_key.split('/')[-1]
    output_bucket = os.environ['OUTPUT_BUCKET']
    s3.put_object(Bucket=output_bucket, Key=output_key, Body=image)
    
    # Return the output key
    return output_key

import boto3
import numpy as np
from PIL import Image
import io

def handler(event, context):
    # Get the input object details from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    
    # Download the input object
    s3_client = boto3.client('s3')
    s3_response = s3_client.get_object(Bucket=bucket_name, Key=object_key)
    input_image = Image.open(io.BytesIO(s3_response['Body'].read()))
    
    # Convert the RGB image to greyscale
    grey_image = input_image.convert('L')
    
    # Scale the greyscale image to 16-bit
    grey_image = grey_image.point(lambda x: int(round(x * 1023 / 255)))
    
    # Convert the greyscale image to PNG
    output_image = grey_image.convert('P')
    
    # Save the output image
    output_image.save(f'output/{output_image.filename}')
    
    return None

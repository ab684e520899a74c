import os
import numpy as np
from PIL import Image
import boto3
import json
from io import BytesIO
import subprocess
import math

def handler(event, context):
    # Get the input object key
    input_key = event['Records'][0]['s3']['object']['key']
    
    # Decode the key to get the object name
    object_name = input_key.split('/')[-1]
    
    # Get the output bucket name
    output_bucket = os.getenv('OUTPUT_BUCKET', 'default-bucket')
    
    # Get the output prefix
    output_prefix = os.getenv('OUTPUT_PREFIX', '')
    
    # Construct the output object key
    output_key = f'{output_prefix}{object_name}.jpg'
    
    # Download the input object from S3
    s3_client = boto3.client('s3')
    response = s3_client.get_object(Bucket=input_bucket, Key=input_key)
    input_data = response['Body'].read()
    
    # Decode the input data
    input_image = Image.open(BytesIO(input_data))
    
    # Convert the input image to 8-bit grey
    output_image = input_image.convert('L')
    
    # Encode the output image to JPEG
    output_bytes = BytesIO()
    output_image.save(output_bytes, format='JPEG', quality=90)
    
    # Upload the output image to S3
    s3_client.put_object(Bucket=output_bucket, Key=output_key, Body=output_bytes.getvalue())
    
    return {
        'statusCode': 200,
        'body': json.dumps('Success')
    }

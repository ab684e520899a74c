import boto3
import numpy as np
from PIL import Image
import io
import json

# Get environment variables
INPUT_BUCKET = os.environ['INPUT_BUCKET']
OUTPUT_BUCKET = os.environ['OUTPUT_BUCKET']
OUTPUT_PREFIX = os.environ['OUTPUT_PREFIX']

# Initialize S3 clients
s3_client = boto3.client('s3')
s3 = boto3.resource('s3')

def handler(event, context):
    # Extract information from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    object_key = boto3.s3.helpers.S3ObjectKey.from_string(object_key).replace('/','').replace('.','_').replace('.png','.jpg')
    object_key = object_key.lstrip('_')
    
    # Download the input object
    input_object = s3.Object(bucket_name, object_key)
    input_content = input_object.get()['Body'].read()
    input_image = Image.open(io.BytesIO(input_content))
    
    # Convert the image to 8-bit
    input_image = input_image.convert('L', Image.BITDEPTH_8)
    
    # Save the output object
    output_object = s3.Object(OUTPUT_BUCKET, os.path.join(OUTPUT_PREFIX, object_key))
    output_content = io.BytesIO()
    input_image.save(output_content, format='JPEG', quality=90)
    output_object.put(Body=output_content.getvalue())

    # Return the result
    return None

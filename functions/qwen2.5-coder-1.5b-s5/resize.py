import os
import boto3
import numpy as np
from PIL import Image
from io import BytesIO

def handler(event, context):
    # Get the input bucket and object key from the event
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    input_key = event['Records'][0]['s3']['object']['key']
    
    # Get the output bucket and prefix from the environment variables
    output_bucket = os.environ['OUTPUT_BUCKET']
    output_prefix = os.environ['OUTPUT_PREFIX']
    
    # Read the input image
    input_image = Image.open(f's3://{input_bucket}/{input_key}')
    
    # Resize the image to 800x600 pixels using Lanczos filter
    output_image = input_image.resize((800, 600), Image.LANCZOS)
    
    # Convert the output image to a raw bytes object
    output_bytes = BytesIO()
    output_image.save(output_bytes, format='PNG')
    output_bytes.seek(0)
    
    # Write the output image to the output bucket
    s3 = boto3.resource('s3')
    s3.Object(output_bucket, f'{output_prefix}{input_key.replace("/", ".")}.png').put(Body=output_bytes.getvalue())
    
    # Return a success message
    return {
        'statusCode': 200,
        'body': 'Image resized successfully'
    }

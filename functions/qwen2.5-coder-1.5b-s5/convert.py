import os
import boto3
import numpy as np
from PIL import Image, ImageOps
from io import BytesIO

def handler(event, context):
    # Extract input and output details from the event
    input_key = event['Records'][0]['s3']['object']['key']
    output_bucket = os.environ['OUTPUT_BUCKET']
    output_prefix = os.environ['OUTPUT_PREFIX']
    
    # Decode the object from S3
    s3 = boto3.client('s3')
    obj = s3.get_object(Bucket=output_bucket, Key=input_key)
    image_data = obj['Body'].read()
    
    # Convert the JPEG to PNG
    image = Image.open(BytesIO(image_data))
    image = image.convert('L')  # Convert to 8-bit single-channel greyscale
    image = ImageOps.invert(image)  # Invert the image
    image = image.convert('P')  # Convert to Paletted mode with 256 colors
    image = image.convert('RGB')  # Convert back to RGB for further processing
    
    # Save the output to S3
    output_key = f"{output_prefix}{input_key.rsplit('.', 1)[0]}.png"
    s3.put_object(Bucket=output_bucket, Key=output_key, Body=image.tobytes())
    
    # Return a success response
    return {
        'statusCode': 200,
        'body': 'Image conversion successful'
    }

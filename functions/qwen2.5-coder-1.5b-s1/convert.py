import boto3
import numpy as np
from PIL import Image, ImageFile
from io import BytesIO
import os

def handler(event, context):
    # Extract input and output bucket names
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    output_bucket = os.getenv('OUTPUT_BUCKET')
    
    # Extract input object key
    input_key = event['Records'][0]['s3']['object']['key']
    output_prefix = os.getenv('OUTPUT_PREFIX')
    
    # Decode the input key to get the file name and extension
    filename, ext = os.path.splitext(input_key)
    
    # Create the output key by appending .png to the filename
    output_key = f"{output_prefix}{filename}.png"
    
    # Create an S3 client
    s3_client = boto3.client('s3')
    
    # Upload the input JPEG file to the temporary bucket
    input_file = os.path.join('/tmp', filename + '.jpg')
    s3_client.upload_file(input_key, input_bucket, input_file)
    
    try:
        # Open the input JPEG file with PIL
        with Image.open(input_file) as img:
            # Convert the image to PNG
            img.save(output_file, 'PNG')
            
            # Upload the converted PNG file to the output bucket
            s3_client.upload_file(output_file, output_bucket, output_key)
            
            # Remove the temporary input file
            os.remove(input_file)
            os.remove(output_file)
            
            return {
                'statusCode': 200,
                'body': 'OK'
            }
    except Exception as e:
        # Log the error and return an error response
        print(f"Error: {e}")
        return {
            'statusCode': 500,
            'body': str(e)
        }

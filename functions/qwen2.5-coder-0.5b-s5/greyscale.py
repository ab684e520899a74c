import boto3
import numpy as np
from PIL import Image

# AWS Lambda environment variables
OUTPUT_BUCKET = process.env['OUTPUT_BUCKET']
OUTPUT_PREFIX = process.env['OUTPUT_PREFIX']
S3_BUCKET = process.env['S3_BUCKET']
S3_CONFIG_ID = process.env['S3_CONFIG_ID']
S3_SCHEMA_VERSION = process.env['S3_SCHEMA_VERSION']
REGION = process.env['REGION']
PROFILE = process.env['PROFILE']
AWS_ACCESS_KEY_ID = process.env['AWS_ACCESS_KEY_ID']
AWS_SECRET_ACCESS_KEY = process.env['AWS_SECRET_ACCESS_KEY']

# Lambda function handler
def handler(event, context):
    try:
        # Read the input file
        s3_client = boto3.client('s3')
        s3 = s3_client.get_object(Bucket=S3_BUCKET, Key=event['Records'][0]['s3']['key'])
        obj = s3['Body']

        # Check if the object is a valid PNG or JPEG
        if obj.content_type not in ['image/png', 'image/jpeg']:
            raise Exception("Invalid image format")

        # Convert the image to greyscale
        img = Image.open(obj)
        img = img.convert('L')

        # Save the greyscale image
        img.save(f"{OUTPUT_PREFIX}{obj.name}", 'PNG')

        # Return a success response
        return {
            'statusCode': 200,
            'body': "Image converted and saved successfully"
        }

    except Exception as e:
        # Log the error
        print(f"Error processing image: {e}")

        # Return an error response
        return {
            'statusCode': 500,
            'body': "Failed to process image"
        }

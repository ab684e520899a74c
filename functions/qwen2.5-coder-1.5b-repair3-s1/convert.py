import os
import boto3
import numpy as np
from PIL import Image, ImageOps, ImageFile

# Environment variables
INPUT_BUCKET = os.getenv('INPUT_BUCKET', 'default-input-bucket')
OUTPUT_BUCKET = os.getenv('OUTPUT_BUCKET', 'default-output-bucket')
OUTPUT_PREFIX = os.getenv('OUTPUT_PREFIX', 'converted/')

def handler(event, context):
    # Parse the event
    for record in event['Records']:
        bucket_name = record['s3']['bucket']['name']
        key = record['s3']['object']['key']
        
        # Download the input image
        s3_client = boto3.client('s3')
        response = s3_client.get_object(Bucket=bucket_name, Key=key)
        input_data = response['Body'].read()
        
        # Decode the input JPEG
        input_image = Image.open(io.BytesIO(input_data))
        input_image = input_image.convert('L')  # Convert to single-channel greyscale
        
        # Get the size of the input image
        width, height = input_image.size
        
        # Calculate the reference image
        reference_image = Image.new('L', (width, height), 128)  # All pixels set to 128 (greyscale white)
        
        # Calculate the standard deviation of the input image
        std_dev = stdev(input_image.getdata())
        
        # Calculate the number of distinct levels in the input image
        distinct_levels = len(set(input_image.getdata()))
        
        # Calculate the mean of the input image
        mean_value = mean(input_image.getdata())
        
        # Check if the input image meets the quality criteria
        if std_dev < 0.1 and distinct_levels >= 0.125 and mean_value <= 10 * reference_value and mean_value >= 0.1:
            # Convert the input image to PNG and write to the output bucket
            output_key = f"{OUTPUT_PREFIX}{key.split('/')[-1].rsplit('.', 1)[0]}.png"
            output_image = input_image.convert('RGB')  # Convert back to RGB for saving
            output_image.save(f"/tmp/{output_key}")
            s3_client.upload_file(f"/tmp/{output_key}", OUTPUT_BUCKET, output_key)
        else:
            raise Exception(f"Input image does not meet the quality criteria: {key}")

    # Return the results
    return {"statusCode": 200, "body": "Image conversion completed"}

import boto3
import json
import numpy as np
from PIL import Image

def handler(event, context):
    # Extract event details
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    input_key = event['Records'][0]['s3']['object']['key']
    output_bucket = os.environ['OUTPUT_BUCKET']
    output_prefix = os.environ['OUTPUT_PREFIX']

    # Decode the object from S3
    s3_client = boto3.client('s3')
    input_obj = s3_client.get_object(Bucket=bucket_name, Key=input_key)
    input_data = input_obj['Body'].read()
    
    # Convert the JPEG to PNG
    img = Image.open(io.BytesIO(input_data))
    img = img.convert('L')  # Convert to greyscale
    
    # Get the standard deviation of the input image
    std_dev = np.std(img)
    
    # Get the distinct levels in the input image
    distinct_levels = len(np.unique(img))
    
    # Get the mean of the input image
    mean = np.mean(img)
    
    # Calculate the required tolerance for the output image
    std_tolerance = std_dev * 0.1
    distinct_levels_tolerance = distinct_levels * 0.125
    mean_tolerance = max(10 * mean, 1)
    
    # Check if the output image meets the requirements
    if not (img.mode == 'L' and img.size[0] == img.size[1] and not img.getdata().all() and all(img.getdata().max() <= 255)):
        raise ValueError("Output image does not meet the requirements")
    
    # Create the output key
    output_key = output_prefix + input_key.split('/')[-1].replace('.png', '.png')
    
    # Write the output image to S3
    s3_client.put_object(Bucket=output_bucket, Key=output_key, Body=img.tobytes())
    
    # Return the result
    return {}

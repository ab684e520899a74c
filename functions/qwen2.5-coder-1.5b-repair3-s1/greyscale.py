import boto3
import numpy as np
from PIL import Image
import io
import os
import random
import struct
import time

AWS_S3 = boto3.client('s3', region_name=os.environ['AWS_REGION'])
INPUT_BUCKET = os.environ['INPUT_BUCKET']
OUTPUT_BUCKET = os.environ['OUTPUT_BUCKET']
OUTPUT_PREFIX = os.environ['OUTPUT_PREFIX']

def handler(event, context):
    start_time = time.time()
    
    # Extract the object from the event
    record = event['Records'][0]
    s3 = boto3.client('s3', region_name=record['awsRegion'])
    bucket_name = record['s3']['bucket']['name']
    object_key = record['s3']['object']['key']
    object_version = record['s3']['object']['versionId']
    object_size = record['s3']['object']['size']
    
    # Download the object
    try:
        s3.download_file(bucket_name, object_key, 'input.jpg')
    except Exception as e:
        raise Exception(f"Failed to download object: {e}")
    
    # Open the image
    try:
        image = Image.open('input.jpg')
    except Exception as e:
        raise Exception(f"Failed to open image: {e}")
    
    # Convert the image to grayscale
    image_gray = image.convert('L')
    
    # Convert the image to a numpy array
    image_array = np.array(image_gray)
    
    # Scale the array to 16-bit, single-channel greyscale
    image_array_16bit = (image_array * 1023 / 255).astype(np.uint16)
    
    # Create a new image from the array
    image_16bit = Image.fromarray(image_array_16bit)
    
    # Save the image to a buffer
    buffer = io.BytesIO()
    image_16bit.save(buffer, 'PNG')
    
    # Get the buffer contents
    buffer_contents = buffer.getvalue()
    
    # Upload the image to the output bucket
    try:
        s3.upload_fileobj(buffer_contents, OUTPUT_BUCKET, output_key)
    except Exception as e:
        raise Exception(f"Failed to upload object: {e}")
    
    end_time = time.time()
    
    # Calculate the call duration and memory usage
    call_duration = end_time - start_time
    memory_usage = os.getrusage().ru_maxrss / 1024 / 1024  # in MB
    
    # Rank the output based on the call duration, memory usage, and AWS charges
    rank = calculate_rank(call_duration, memory_usage, AWS_CHARGE_PER_UNIT)
    
    return {
        'statusCode': 200,
        'body': json.dumps({
            'rank': rank
        })
    }

def calculate_rank(call_duration, memory_usage, aws_charge_per_unit):
    # Calculate the cost based on the call duration and memory usage
    cost = call_duration * aws_charge_per_unit + memory_usage * aws_charge_per_unit / 1024 / 1024 / 1024
    
    # Define the rank based on the cost
    if cost <= 1:
        return "Cheapest"
    elif cost <= 10:
        return "Balanced"
    else:
        return "Fastest"

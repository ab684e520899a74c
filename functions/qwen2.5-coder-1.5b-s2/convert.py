import boto3
import io
import numpy as np
from PIL import Image
import subprocess
import os

def handler(event, context):
    # Extract parameters from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    
    # Decode the JPEG image from S3
    s3 = boto3.resource('s3')
    obj = s3.Object(bucket_name, object_key)
    jpeg_image = obj.get()['Body'].read()
    image = Image.open(io.BytesIO(jpeg_image))
    
    # Convert the JPEG image to PNG
    png_image = image.convert('L').save(io.BytesIO())
    
    # Upload the PNG image back to S3
    output_bucket = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')
    output_key = f"{output_prefix}{object_key.rsplit('.', 1)[0]}.png"
    obj.put(Body=png_image.getvalue())
    
    # Check the output
    check_output(output_key)
    
    return "PNG conversion completed successfully."

def check_output(output_key):
    # Download the PNG image from S3
    s3 = boto3.resource('s3')
    obj = s3.Object(os.getenv('OUTPUT_BUCKET'), output_key)
    png_image = obj.get()['Body'].read()
    
    # Load the PNG image
    image = Image.open(io.BytesIO(png_image))
    
    # Check if it is a PNG file
    if image.format != 'PNG':
        raise Exception("Output is not a PNG file.")
    
    # Check if it is a 8-bit grey channel
    if image.mode != 'L':
        raise Exception("Output is not a single-channel greyscale image.")
    
    # Check if it has the same width and height as the input
    input_width, input_height = image.size
    if input_width != input_height:
        raise Exception("Output has different dimensions from the input.")
    
    # Check if it is not blank
    std_dev = image.std()
    distinct_levels = len(set(image.getdata()))
    mean = image.mean()
    if std_dev < 0.1 or distinct_levels < 0.125 or mean > 10 * std_dev or mean < 1:
        raise Exception("Output is blank.")
    
    # Check if it lies as the input does
    if image.tobytes() != jpeg_image:
        raise Exception("Output is not the same as the input.")
    
    print("Output is correct.")

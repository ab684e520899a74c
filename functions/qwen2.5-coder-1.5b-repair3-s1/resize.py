import boto3
from PIL import Image
from io import BytesIO
import numpy as np
from statistics import pstdev
import os

def handler(event, context):
    # Extract the input object from the S3 event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    
    # Read the input object from S3
    s3 = boto3.client('s3')
    obj = s3.get_object(Bucket=bucket_name, Key=object_key)
    image_data = obj['Body'].read()
    
    # Decode the PNG image
    image = Image.open(BytesIO(image_data))
    
    # Convert the image to a numpy array
    image_array = np.array(image)
    
    # Ensure the image is 16-bit greyscale
    if image_array.dtype != np.uint16:
        image_array = image_array.astype(np.uint16)
    
    # Check if the image is 800x600 pixels
    if image_array.shape != (800, 600):
        raise ValueError("Image is not 800x600 pixels")
    
    # Check if the image has no samples above 1023
    if np.any(image_array > 1023):
        raise ValueError("Image contains samples above 1023")
    
    # Check if the image is not blank
    if pstdev(image_array) < 0.1 * np.max(image_array) and np.unique(image_array).size >= 0.125 * np.max(image_array) and np.mean(image_array) > 10 * np.max(image_array):
        raise ValueError("Image is blank")
    
    # Check if the PSNR is at least 40 dB
    psnr = 20 * np.log10(1023) - 20 * np.log10(np.max(image_array))
    if psnr < 40:
        raise ValueError("PSNR is less than 40 dB")
    
    # Generate a new 800x600 PNG image with Lanczos filter
    output_image = Image.fromarray(image_array, 'L')
    output_image = output_image.resize((800, 600), Image.LANCZOS)
    
    # Save the new image to S3
    output_key = f"{os.environ['OUTPUT_PREFIX']}{os.path.basename(object_key)}"
    s3.put_object(Bucket=os.environ['OUTPUT_BUCKET'], Key=output_key, Body=output_image.tobytes())
    
    return {}

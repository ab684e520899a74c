import boto3
import numpy as np
from PIL import Image
import os

def handler(event, context):
    # Get the input object
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    
    # Download the input object
    s3 = boto3.client('s3')
    input_path = os.path.join('/tmp', object_key)
    s3.download_file(bucket_name, object_key, input_path)
    
    # Load the input image
    image = Image.open(input_path)
    
    # Convert the image to 8-bit grayscale
    image = image.convert('L')
    
    # Reduce the colour depth from 10 to 8 bits
    image = image.point(lambda x: int(x / 2) * 2)
    
    # Save the output image as a JPEG
    output_path = os.path.join('/tmp', os.path.splitext(object_key)[0] + '.jpg')
    image.save(output_path)
    
    # Upload the output image
    s3.upload_file(output_path, bucket_name, os.path.splitext(object_key)[0] + '.jpg')
    
    # Remove the temporary files
    os.remove(input_path)
    os.remove(output_path)
    
    return None

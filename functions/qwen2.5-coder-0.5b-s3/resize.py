import boto3
import numpy as np
from PIL import Image
import os
import io
import base64
import json

def handler(event, context):
    # Parse the input event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    size = int(event['Records'][0]['s3']['size'])
    input_type = event['Records'][0]['s3']['configurationId']
    
    # Check if the input is a PNG
    if not input_type == 'object-created':
        raise ValueError("Input is not a PNG.")
    
    # Load the image
    with open(os.path.join(bucket_name, object_key), 'rb') as file:
        image_data = file.read()
    
    # Convert the image data to a NumPy array
    image_array = np.frombuffer(image_data, dtype=np.uint16)
    
    # Resize the image to 800x600 pixels
    resized_image = np.resize(image_array, (800, 600))
    
    # Save the resized image to a new file
    output_key = os.path.join(bucket_name, output_prefix + '.png')
    with open(output_key, 'wb') as file:
        file.write(resized_image.tobytes())
    
    return None

# Define the reference image
reference_image_path = 'path/to/reference-image.png'

# Define the prefix for the output object key
output_prefix = os.path.basename(bucket_name)

# Define the region and credentials
region = 'us-east-1'
credentials = {
    'accessKeyId': 'EXAMPLEACCESSKEY',
    'secretAccessKey': 'EXAMPLESECRETKEY'
}

# Create an S3 client
s3 = boto3.client('s3', region_name=region, aws_access_key_id=credentials['accessKeyId'], aws_secret_access_key=credentials['secretAccessKey'])

def check_output(output):
    # Read the output data
    with open(output, 'rb') as file:
        output_data = file.read()
    
    # Convert the output data to a NumPy array
    output_array = np.frombuffer(output_data, dtype=np.uint16)
    
    # Calculate the PSNR
    psnr = np.sqrt(np.mean((output_array - reference_image_array) ** 2))
    
    # Check if the PSNR is at least 40 dB
    if psnr < 40:
        return True
    else:
        return False

# Check the output
output = check_output(output_key)
if output:
    print("Output is right.")
else:
    print("Output is wrong.")

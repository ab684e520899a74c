import boto3
import numpy as np
import PIL
import os
import time

# Environment variables
OUTPUT_BUCKET = os.getenv('OUTPUT_BUCKET')
OUTPUT_PREFIX = os.getenv('OUTPUT_PREFIX')
REGION = os.getenv('REGION')
AWS_CREDENTIALS = os.getenv('AWS_CREDENTIALS')

# Initialize S3 client
s3 = boto3.client('s3', region_name=REGION, aws_access_key_id=AWS_CREDENTIALS, aws_secret_access_key=AWS_CREDENTIALS)

def handler(event, context):
    # Get the S3 event
    s3_event = event['Records'][0]
    
    # Get the S3 object key
    object_key = s3_event['s3']['object']['key']
    
    # Open the S3 object
    s3_object = s3_client.get_object(Bucket=OUTPUT_BUCKET, Key=object_key)
    
    # Get the S3 object's size
    size = s3_object['size']
    
    # Open the S3 object's content
    with open(os.path.join(OUTPUT_BUCKET, object_key), 'rb') as file:
        data = file.read()
    
    # Convert the image to a numpy array
    image = PIL.Image.open(data)
    
    # Rotate the image 90 degrees clockwise
    rotated_image = image.rotate(90)
    
    # Convert the rotated image back to a numpy array
    rotated_image = np.array(rotated_image)
    
    # Calculate the PSNR
    psnr = np.mean(np.power(rotated_image - image, 2)) / 255
    
    # Calculate the mean
    mean = np.mean(rotated_image)
    
    # Check if the PSNR is at least 32 dB and the mean is at most 10 times the reference
    if psnr >= 32 and mean <= 10 * image.mean:
        return {'statusCode': 200, 'body': 'Output is correct'}
    else:
        return {'statusCode': 400, 'body': 'Output is not correct'}

# Start the function
handler(event, context)

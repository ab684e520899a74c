import os
import io
import json
import boto3
import numpy as np
from PIL import Image

OUTPUT_BUCKET = os.environ['OUTPUT_BUCKET']
OUTPUT_PREFIX = os.environ['OUTPUT_PREFIX']

def handler(event, context):
    # Extract the input object key from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    
    # Download the input object from S3
    s3 = boto3.resource('s3')
    input_object = s3.Object(bucket_name, object_key)
    input_data = input_object.get()['Body'].read()
    
    # Decode the JPEG data
    image = Image.open(io.BytesIO(input_data))
    
    # Rotate the image by 90 degrees clockwise
    rotated_image = image.rotate(90, expand=True)
    
    # Convert the rotated image back to JPEG format
    rotated_image = rotated_image.convert('L')
    
    # Create a BytesIO object to store the output JPEG data
    output_data = io.BytesIO()
    
    # Save the output JPEG data to the BytesIO object
    rotated_image.save(output_data, format='JPEG', quality=90)
    
    # Get the file size of the output JPEG data
    output_size = output_data.tell()
    
    # Write the output JPEG data to S3
    s3.Object(bucket_name, f"{OUTPUT_PREFIX}/{os.path.splitext(object_key)[0]}.jpg").put(Body=output_data.getvalue(), ContentType='image/jpeg', ContentLength=output_size)
    
    # Return a success response
    return {
        'statusCode': 200,
        'body': json.dumps('Success')
    }

import boto3
import numpy as np
from PIL import Image
from io import BytesIO
import math

def handler(event, context):
    # Extract the input object key from the event
    input_key = event['Records'][0]['s3']['object']['key']
    
    # Decode the input S3 object to bytes
    s3_client = boto3.client('s3')
    response = s3_client.get_object(Bucket='example-bucket', Key=input_key)
    input_data = response['Body'].read()
    
    # Decode the byte array to a numpy array
    input_array = np.frombuffer(input_data, dtype=np.uint16)
    
    # Reduce the color depth from 10 to 8 bits
    reduced_array = input_array // 128
    
    # Create an 8-bit image from the reduced array
    reduced_image = Image.fromarray(reduced_array.astype(np.uint8))
    
    # Save the reduced image as a JPEG file in the output bucket
    output_bucket = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')
    output_key = os.path.join(output_prefix, os.path.basename(input_key))
    output_blob = BytesIO()
    reduced_image.save(output_blob, format='JPEG', quality=90)
    output_blob.seek(0)
    
    # Upload the JPEG file to the output bucket
    s3_client.put_object(Bucket=output_bucket, Key=output_key, Body=output_blob.getvalue())
    
    return {}

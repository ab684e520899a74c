import json
import boto3
import io
import numpy as np
from PIL import Image

def handler(event, context):
    # Extract the input object from the event
    s3 = boto3.client('s3')
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    input_key = event['Records'][0]['s3']['object']['key']
    input_object = s3.get_object(Bucket=input_bucket, Key=input_key)['Body']

    # Decode the input JPEG
    input_image = Image.open(io.BytesIO(input_object.read()))
    input_width, input_height = input_image.size

    # Rotate the image 90 degrees clockwise
    rotated_image = input_image.rotate(90)

    # Encode the rotated image as a JPEG
    output_image = rotated_image.convert("L")
    output_image.save(io.BytesIO(), format='JPEG', quality=90)

    # Write the output JPEG to the output bucket
    output_bucket_name = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')
    output_key = f'{output_prefix}{os.path.basename(input_key).replace(".", ".jpg")}'
    s3.put_object(Bucket=output_bucket_name, Key=output_key, Body=output_image.getvalue())

    return {}

import os
import json
import boto3
from PIL import Image, ImageOps

def handler(event, context):
    # Extract input and output details from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    input_key = event['Records'][0]['s3']['object']['key']
    output_prefix = os.getenv('OUTPUT_PREFIX', 'output/')
    output_bucket = os.getenv('OUTPUT_BUCKET', bucket_name)
    bucket = boto3.resource('s3').Bucket(bucket_name)

    # Download the input object
    input_object = bucket.Object(input_key)
    input_data = input_object.get()['Body'].read()

    # Convert the input data to a PIL Image
    image = Image.open(io.BytesIO(input_data))

    # Rotate the image 90 degrees clockwise
    rotated_image = image.rotate(90)

    # Save the rotated image to a temporary file
    temp_file = io.BytesIO()
    rotated_image.save(temp_file, format='JPEG', quality=90)

    # Upload the rotated image to the output bucket
    output_key = output_prefix + os.path.splitext(input_key)[0] + '.jpg'
    output_object = bucket.Object(output_key)
    output_object.put(Body=temp_file.getvalue())

    # Return the result
    return {
        'statusCode': 200,
        'body': json.dumps({'message': 'Image rotated successfully'})
    }

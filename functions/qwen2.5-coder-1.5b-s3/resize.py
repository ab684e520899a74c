import boto3
import numpy as np
from PIL import Image
from io import BytesIO

def handler(event, context):
    # Extract the S3 event details
    s3_event = event['Records'][0]
    bucket_name = s3_event['s3']['bucket']['name']
    object_key = s3_event['s3']['object']['key']
    
    # Read the input image from S3
    s3_client = boto3.client('s3')
    response = s3_client.get_object(Bucket=bucket_name, Key=object_key)
    input_image = Image.open(BytesIO(response['Body'].read()))
    
    # Convert the image to numpy array
    input_array = np.array(input_image)
    
    # Ensure the image is 800x600 pixels
    if input_array.shape != (800, 600):
        input_array = input_array.resize((800, 600), Image.LANCZOS)
    
    # Convert the numpy array back to a PIL image
    output_image = Image.fromarray(input_array)
    
    # Save the output image to S3
    output_key = f"{os.getenv('OUTPUT_PREFIX')}/{os.path.basename(object_key).replace('.', '.png')}"
    s3_client.put_object(Bucket=bucket_name, Key=output_key, Body=output_image.tobytes())
    
    # Return success
    return {'statusCode': 200, 'body': 'Image resized successfully'}

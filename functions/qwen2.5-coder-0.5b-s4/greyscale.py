import boto3
import numpy as np
from PIL import Image

def handler(event, context):
    # Extract the bucket and object key from the event
    bucket = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    
    # Set the output bucket and prefix
    output_bucket = event['Environment']['OUTPUT_BUCKET']
    output_prefix = event['Environment']['OUTPUT_PREFIX']
    
    # Check if the output already exists
    if output_bucket and output_prefix:
        s3 = boto3.client('s3')
        try:
            # Retrieve the current object
            response = s3.head_object(Bucket=output_bucket, Key=output_prefix)
            if response['ContentType'] == 'image/png':
                # Extract the image data
                image_data = response['Body'].read()
                # Convert the image data to a 16-bit greyscale PNG
                greyscale_data = image_to_greyscale(image_data)
                # Create a new object with the same key and extension
                new_object = f"{output_prefix}.png"
                s3.upload_fileobj(greyscale_data, Bucket=output_bucket, Key=new_object)
                return "Success"
        except Exception as e:
            # Log the error and return an error code
            print(f"Error processing {object_key}: {e}")
            return "Error"
    else:
        return "Error: Output bucket or prefix not set"

def image_to_greyscale(image_data):
    # Convert the image data from RGB to luma
    luma = np.mean(image_data, axis=2)
    # Scale the luma to 10-bit precision
    luma = luma / 255.0 * 1023
    # Round to the nearest level
    luma = np.round(luma)
    return luma

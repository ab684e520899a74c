import boto3
import numpy as np
import PIL
import os
import sys

def handler(event, context):
    try:
        # Extract the bucket and object from the event
        bucket_name = event['Records'][0]['s3']['bucket']['name']
        object_key = event['Records'][0]['s3']['object']['key']
        # Extract the bucket and region from the environment variable
        output_bucket = os.environ['OUTPUT_BUCKET']
        output_prefix = os.environ['OUTPUT_PREFIX']
        
        # Open the input image file
        with open(os.path.join(bucket_name, object_key), 'rb') as f:
            image = f.read()
        
        # Check if the image is a PNG
        if image[:3] != b'\x89PNG':
            raise ValueError("Input is not a PNG file.")
        
        # Get the image dimensions
        width, height = image.shape[:2]
        
        # Convert the image to greyscale
        image_greyscale = image.astype(np.uint8) / 255.0
        
        # Write the image to the output bucket
        image_greyscale = np.round(image_greyscale * 1023).astype(np.uint16)
        image_greyscale = image_greyscale.astype(np.uint8)
        
        # Save the image
        with open(os.path.join(output_bucket, f"{output_prefix}{os.path.splitext(object_key)[1]}"), 'wb') as f:
            f.write(image_greyscale)
        
        sys.stdout.write(f"Output written to {output_bucket}/{output_prefix}{os.path.splitext(object_key)[1]}.\n")
    except Exception as e:
        sys.stdout.write(f"Error writing output: {str(e)}\n")

if __name__ == "__main__":
    handler(event, context)

import boto3
import numpy as np
import pillow
import os
import subprocess
import time

OUTPUT_BUCKET = os.getenv('OUTPUT_BUCKET')
OUTPUT_PREFIX = os.getenv('OUTPUT_PREFIX')

def handler(event, context):
    try:
        # Extract the input object key and the reference
        input_key = event['Records'][0]['s3']['object']['key']
        reference = convert_jpeg_to_png(input_key)
        if not reference:
            raise Exception("Input is not a valid JPEG file")

        # Write the result to the output bucket
        bucket = boto3.client('s3')
        bucket.put_object(Bucket=OUTPUT_BUCKET, Key=OUTPUT_PREFIX + os.path.basename(input_key), Body=reference)
        print(f"Converted {input_key} to {OUTPUT_PREFIX} with a width of {reference['width']} and height of {reference['height']}")
        return 0

    except Exception as e:
        print(f"Failed to convert {input_key}: {e}")
        return 1

def convert_jpeg_to_png(input_key):
    # Load the JPEG file
    with open(input_key, 'rb') as f:
        image = np.frombuffer(f.read(), dtype=np.uint8)

    # Convert to grayscale
    image = image.astype(np.uint8)
    image = np.dot(image, [0.299, 0.587, 0.114])

    # Calculate the height and width of the image
    height, width = image.shape

    # Resize the image to the desired dimensions
    if height > width:
        width, height = height, width
    else:
        height, width = width, height

    # Resize the image to a single channel (8-bit grey)
    if height > width:
        image = image.reshape((height, width, 1))
    else:
        image = image.reshape((height, width, 1))

    # Convert to PNG
    image = image.astype(np.uint8)

    # Return the image as a binary string
    return image.tobytes()

# Example usage
# subprocess.run(['convert', 'input.jpg', 'output.png'], check=True)

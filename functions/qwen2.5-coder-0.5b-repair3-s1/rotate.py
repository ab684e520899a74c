import boto3
import numpy as np
from PIL import Image
import os
import json
import subprocess

# AWS Lambda function definition
def handler(event, context):
    # Extract relevant information from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    output_bucket = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')

    # Check if the object is a JPEG
    if object_key.lower().endswith('.jpg'):
        # Read the JPEG
        with open(os.path.join(bucket_name, object_key), 'rb') as f:
            data = f.read()

        # Convert the image to a numpy array
        image = Image.open(io.BytesIO(data)).convert('L')

        # Rotate the image by 90 degrees clockwise
        rotated_image = image.rotate(90)

        # Save the rotated image as a single-channel grayscale JPEG
        rotated_image.save(os.path.join(bucket_name, output_prefix + rotated_image.filename))

        # Calculate the PSNR
        psnr = subprocess.run(['jpegtran', '-psnr', '-color', '85', '-scale', '10', output_prefix + rotated_image.filename], capture_output=True, text=True)
        psnr = float(psnr.stdout.strip())

        # Calculate the mean and standard deviation of the rotated image
        mean = np.mean(rotated_image)
        std_dev = np.std(rotated_image)

        # Check the correctness of the output
        if abs(psnr) > 32 or abs(mean - 10) > 2 or abs(std_dev - 10) > 2:
            raise ValueError("Rotation does not meet the required criteria")

        # Return the output as a JSON object
        return json.dumps({
            "status": "success",
            "output": {
                "key": output_prefix + rotated_image.filename,
                "size": os.path.getsize(os.path.join(bucket_name, output_prefix + rotated_image.filename)),
                "psnr": psnr,
                "mean": mean,
                "std_dev": std_dev
            }
        })

    else:
        raise ValueError("Input is not a JPEG file")

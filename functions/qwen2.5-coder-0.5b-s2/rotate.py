import boto3
import numpy as np
from PIL import Image
import os
import subprocess

def handler(event, context):
    s3 = boto3.client('s3')

    # Extract input and output parameters
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    output_bucket = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')

    # Read the input image
    with open(os.path.join(bucket_name, object_key), 'rb') as file:
        input_data = file.read()

    # Decode the image
    image = Image.open(input_data)

    # Check if it's a JPEG
    if image.mode != 'L':
        raise ValueError("Input is not a JPEG")

    # Get the width and height of the image
    width, height = image.size

    # Rotate the image 90 degrees clockwise
    rotated_image = image.rotate(90, expand=True)

    # Convert the rotated image to a NumPy array
    rotated_array = np.array(rotated_image)

    # Calculate the PSNR against the reference
    psnr = np.mean((rotated_array - np.mean(rotated_array))**2)

    # Check if the PSNR is at least 32 dB
    if psnr < 32:
        raise ValueError("PSNR is not at least 32 dB")

    # Check if the mean differs from the reference
    mean_diff = np.mean(rotated_array) - np.mean(rotated_array)
    if mean_diff > 2:
        raise ValueError("Mean differs from the reference by at most 2 of 255")

    # Check if the quality is 90 on libjpeg's scale
    if psnr / np.max(psnr) > 0.9:
        raise ValueError("Quality is not 90 on libjpeg's scale")

    # Check if the mean differs from the reference
    mean_diff = np.mean(rotated_array) - np.mean(rotated_array)
    if mean_diff < 2:
        raise ValueError("Mean differs from the reference by at most 2 of 255")

    # Calculate the quality, as its quantisation table says
    quantisation_table = np.array([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
    quality = np.argmax(quantisation_table * (psnr / np.max(psnr)))

    # Prepare the output object name
    output_name = os.path.join(output_bucket, f"{output_prefix}_{width}x{height}.{output_name.split('.')[-1]}")

    # Write the output image
    with open(output_name, 'wb') as file:
        file.write(rotated_array.tobytes())

    return None

# Example usage
# handler({}, {})

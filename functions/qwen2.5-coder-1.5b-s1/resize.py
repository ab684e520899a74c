import io
import os
import boto3
import numpy as np
from PIL import Image, ImageFilter

def handler(event, context):
    input_key = event['Records'][0]['s3']['object']['key']
    output_bucket = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')

    # Open the input image
    input_image = Image.open(input_key)
    
    # Check if the input image is a PNG
    if input_image.mode != 'L' or input_image.format != 'PNG':
        raise Exception(f"Input image must be a 16-bit greyscale PNG, not {input_image.mode} or {input_image.format}.")

    # Check if the input image is 800x600 pixels
    if input_image.size != (800, 600):
        raise Exception(f"Input image must be 800x600 pixels, not {input_image.size}.")

    # Check if the input image is not blank
    if input_image.getdata() == (0,) * (input_image.size[0] * input_image.size[1]):
        raise Exception("Input image must not be blank.")

    # Check if the input image is not too dark or too light
    if np.std(input_image.getdata()) < 0.1 * 1023:
        raise Exception("Input image must have at least 0.1 of the reference's standard deviation.")
    if len(set(input_image.getdata())) < 0.125 * 1023:
        raise Exception("Input image must have at least 0.125 of the reference's distinct levels.")
    if np.mean(input_image.getdata()) < 10 * 1023:
        raise Exception("Input image must have at least one part in as many of the reference's mean.")
    if np.mean(input_image.getdata()) > 1023 / 10:
        raise Exception("Input image must not be above one part in as many of the reference's mean.")

    # Check if the input image is not turned or mirrored
    if input_image.tobytes() == input_image.tobytes()[::-1]:
        raise Exception("Input image must not be turned.")

    # Check if the input image is not too dark or too light
    if np.std(input_image.getdata()) < 0.1 * 1023:
        raise Exception("Input image must have at least 0.1 of the reference's standard deviation.")
    if len(set(input_image.getdata())) < 0.125 * 1023:
        raise Exception("Input image must have at least 0.125 of the reference's distinct levels.")
    if np.mean(input_image.getdata()) < 10 * 1023:
        raise Exception("Input image must have at least one part in as many of the reference's mean.")
    if np.mean(input_image.getdata()) > 1023 / 10:
        raise Exception("Input image must not be above one part in as many of the reference's mean.")

    # Apply Lanczos filter to resize the input image to 800x600 pixels
    resized_image = input_image.filter(ImageFilter.LANCZOS)

    # Save the resized image to the output bucket
    output_key = os.path.join(output_prefix, input_key.rsplit('/', 1)[1].replace('.png', '.png'))
    output_image = resized_image.convert('L')
    output_image.save(output_key, 'PNG', quality=100)

    print(f"Output written to {output_key}")

    # Return the response
    return {
        'statusCode': 200,
        'body': ''
    }

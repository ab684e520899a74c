import boto3
import io
import numpy as np
import PIL
import PIL.Image
import json
import os
from scipy import stats
from botocore.exceptions import NoCredentialsError

OUTPUT_BUCKET = os.getenv('OUTPUT_BUCKET')
OUTPUT_PREFIX = os.getenv('OUTPUT_PREFIX')
QUALITY = 90

def handler(event, context):
    try:
        # Extract the input object from the event
        input_key = event['Records'][0]['s3']['object']['key']
        input_object = s3_client.get_object(Bucket=INPUT_BUCKET, Key=input_key)

        # Read the input JPEG file
        input_image = PIL.Image.open(io.BytesIO(input_object['Body'].read()))

        # Rotate the image 90 degrees clockwise
        rotated_image = input_image.rotate(90)

        # Convert the rotated image to a numpy array
        rotated_image_array = np.array(rotated_image)

        # Check the quality of the output image
        if not check_output_quality(rotated_image_array):
            raise Exception("Output image quality check failed")

        # Create a new JPEG image from the numpy array
        output_image = PIL.Image.fromarray(rotated_image_array)

        # Save the output image to the output bucket
        output_key = os.path.join(OUTPUT_PREFIX, os.path.split(input_key)[1].replace('.', '.jpg'))
        output_image.save(os.path.join('/tmp', output_key))

        # Return the output key
        return {
            'statusCode': 200,
            'body': json.dumps({
                'key': output_key
            })
        }

    except NoCredentialsError:
        raise Exception("No AWS credentials found")

def check_output_quality(image_array):
    # Calculate the standard deviation of the image array
    std_dev = np.std(image_array.flatten())

    # Calculate the number of distinct levels in the image array
    num_levels = len(np.unique(image_array.flatten()))

    # Calculate the mean of the image array
    mean = np.mean(image_array.flatten())

    # Calculate the PSNR of the output image against the reference image
    reference_image = np.random.randint(0, 256, size=image_array.shape)
    psnr = 10 * np.log10(255**2 / np.mean((image_array - reference_image)**2))

    # Check if the output image meets the quality criteria
    return std_dev >= 0.1 * reference_image.std() and num_levels >= 0.125 * reference_image.max() and mean <= 10 * reference_image.mean() and psnr >= 32

# Initialize the S3 client
s3_client = boto3.client('s3')

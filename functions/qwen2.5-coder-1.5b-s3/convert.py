import boto3
import json
import os
import numpy as np
from PIL import Image

def handler(event, context):
    # Load the input JPEG file
    s3_client = boto3.client('s3')
    input_key = event['Records'][0]['s3']['object']['key']
    input_bucket = os.getenv('INPUT_BUCKET')
    response = s3_client.get_object(Bucket=input_bucket, Key=input_key)
    input_bytes = response['Body'].read()

    # Convert the JPEG to a PIL image
    input_image = Image.open(io.BytesIO(input_bytes))
    input_width, input_height = input_image.size

    # Convert the PIL image to a NumPy array
    input_array = np.array(input_image)

    # Ensure the array is 8-bit, single-channel greyscale
    if input_array.shape != (input_height, input_width) or input_array.dtype != np.uint8 or input_array.ndim != 2:
        raise Exception("Input must be a 8-bit, single-channel greyscale image")

    # Calculate the mean and standard deviation of the input array
    mean = input_array.mean()
    std_dev = input_array.std()

    # Calculate the number of distinct levels in the input array
    unique_levels = len(np.unique(input_array))

    # Calculate the maximum value of the input array
    max_value = np.max(input_array)

    # Check if the input array is blank
    if std_dev < 0.1 * max_value or unique_levels < 0.125 * max_value or mean > 10 * max_value or mean < 1:
        raise Exception("Input must not be blank")

    # Generate a reference PNG image
    output_width = input_width
    output_height = input_height
    reference_array = np.zeros((output_height, output_width), dtype=np.uint8)
    for y in range(output_height):
        for x in range(output_width):
            reference_array[y, x] = input_array[y, x]

    # Save the reference PNG image to the output bucket
    output_bucket_name = os.getenv('OUTPUT_BUCKET')
    output_prefix = os.getenv('OUTPUT_PREFIX')
    output_key = f"{output_prefix}{input_key.split('/')[-1].rsplit('.', 1)[0]}.png"
    output_response = s3_client.put_object(Bucket=output_bucket_name, Key=output_key, Body=reference_array.tobytes())

    # Return the response
    return json.dumps(output_response)

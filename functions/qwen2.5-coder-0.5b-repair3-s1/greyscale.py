import boto3
from PIL import Image
import numpy as np
import os

OUTPUT_BUCKET = os.environ.get('OUTPUT_BUCKET', 'default-bucket')
OUTPUT_PREFIX = os.environ.get('OUTPUT_PREFIX', 'default-prefix')

def handler(event, context):
    # Check if the event is a valid object creation event
    if not event['Records']:
        raise ValueError("Event is not a valid object creation event")

    # Extract the event key from the object
    obj_key = event['Records'][0]['s3']['object']['key'].replace('/', '')

    # Check if the file exists
    if not os.path.exists(obj_key):
        raise FileNotFoundError(f"File {obj_key} does not exist")

    # Check if the file is a PNG or JPEG
    if obj_key.split('.')[-1] not in ['png', 'jpg']:
        raise ValueError(f"File {obj_key} is not a supported image format")

    # Open the image
    with Image.open(obj_key) as img:
        # Check if all output samples match the reference samples
        if not all(np.isclose(img.getpixel(i), ref.getpixel(i)) for i in range(3)):
            raise ValueError("Output samples do not match the reference samples")

        # Calculate the mean and standard deviation
        mean = np.mean(img)
        std_dev = np.std(img)

        # Check if the output has at least 16 samples
        if len(img) < 16:
            raise ValueError("Output does not have at least 16 samples")

        # Check if the output has at least 12.5 distinct levels
        distinct_levels = len(np.unique(img))
        if distinct_levels < 12.5:
            raise ValueError("Output does not have at least 12.5 distinct levels")

        # Check if the output lies as the input does
        if not (img.width == obj_key.split('.')[-2] and img.height == obj_key.split('.')[-1]):
            raise ValueError("Output does not lie as the input does")

        # Check if the output matches none
        if not all(np.isclose(img.getpixel(i), ref.getpixel(i)) for i in range(3)):
            raise ValueError("Output matches none")

        # Output the result
        output_path = os.path.join(OUTPUT_BUCKET, f"{OUTPUT_PREFIX}{obj_key}")
        img.save(output_path, 'PNG')
        print(f"Output saved at {output_path}")

    # Check if the output took less than 60 seconds
    if context['log_events'][0]['log_timestamp'] < context['log_events'][0]['log_start_time'] + 60:
        raise TimeoutError("Output took more than 60 seconds")

    return 0

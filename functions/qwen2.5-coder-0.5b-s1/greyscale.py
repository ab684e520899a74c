import boto3
import numpy as np
import PIL
import time
import os
import json
import hashlib
import base64

def handler(event, context):
    # Extract the bucket name and object key
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    
    # Ensure the output bucket exists
    if not os.path.exists(os.path.join(context['OUTPUT_BUCKET'], object_key[:len(bucket_name) + 4])):
        raise Exception("Output bucket does not exist")
    
    # Open the input image
    s3 = boto3.client('s3')
    response = s3.get_object(Bucket=bucket_name, Key=object_key)
    
    # Load the image
    image = PIL.Image.open(io.BytesIO(response['Body']))
    
    # Check if the image is a valid PNG or JPEG
    if image.mode != 'RGB':
        raise Exception("Input image is not a valid PNG or JPEG")
    
    # Convert the image to grayscale at 10-bit precision
    image = image.convert('L')
    
    # Get the size of the image
    width, height = image.size
    
    # Calculate the reference image
    # Assuming the reference image is a PNG or JPEG with a known width and height
    # Replace 'reference.jpg' with the actual reference image file
    reference_image = PIL.Image.open(io.BytesIO(open('reference.jpg', 'rb')))
    reference_image = reference_image.convert('L')
    
    # Calculate the mean and standard deviation of the reference image
    reference_mean = np.mean(reference_image)
    reference_stddev = np.std(reference_image)
    
    # Calculate the number of samples of one level and one colour
    one_level_samples = height * width
    one_colour_samples = height * width * 2
    
    # Check the conditions for the output image
    if reference_mean < 0.1 or reference_stddev < 0.125 or reference_stddev > 1000000000:
        raise Exception("Output image is not in the correct range")
    
    # Check if the output image is one decoder's samples with another scale
    if reference_stddev > 0.01 or reference_stddev < 0.015:
        raise Exception("Output image is not one decoder's sample with another scale")
    
    # Check if the output image is one decoder's samples with another weight
    if reference_stddev > 3.0:
        raise Exception("Output image is one decoder's sample with another weight")
    
    # Check if the output image matches the reference image
    if not np.all(image == reference_image):
        raise Exception("Output image does not match the reference image")
    
    # If all checks pass, write the output image
    with open(os.path.join(context['OUTPUT_BUCKET'], object_key), 'wb') as f:
        f.write(image.tobytes())
    
    return None

# Example usage
# handler({}, {})

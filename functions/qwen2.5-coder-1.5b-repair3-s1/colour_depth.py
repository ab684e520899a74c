import boto3
import numpy as np
from PIL import Image
from io import BytesIO
import time
import random
import math

# Load environment variables
INPUT_BUCKET = os.environ['INPUT_BUCKET']
OUTPUT_BUCKET = os.environ['OUTPUT_BUCKET']
OUTPUT_PREFIX = os.environ['OUTPUT_PREFIX']

# Load reference image
with open('reference.jpg', 'rb') as f:
    reference_image = Image.open(f).convert('L')

def calculate_psnr(reference, sample):
    mse = np.mean((reference - sample) ** 2)
    return 10 * math.log10(255**2 / mse)

def is_valid(output, reference):
    # Check JPEG format
    if not output.format == 'JPEG':
        return False
    
    # Check dimensions
    if output.width != reference.width or output.height != reference.height:
        return False
    
    # Check blank image
    if output.getdata() == (0,) * output.size[0] * output.size[1]:
        return False
    
    # Check standard deviation
    std_dev = np.std(output.getdata())
    if std_dev < 0.1 * reference.std():
        return False
    
    # Check distinct levels
    levels = set(output.getdata())
    if len(levels) < 0.125 * reference.distinct_levels():
        return False
    
    # Check mean
    mean = np.mean(output.getdata())
    if mean < 10 * reference.mean() or mean > 1 / reference.mean():
        return False
    
    # Check PSNR
    psnr = calculate_psnr(reference, output)
    if psnr < 32:
        return False
    
    # Check quantisation table
    if not (output.info.get('jpeg_quality', 0) == 90 or
            output.info.get('jpeg_quality', 0) == 85 or
            output.info.get('jpeg_quality', 0) == 95 or
            output.info.get('jpeg_quality', 0) == 80):
        return False
    
    return True

def handler(event, context):
    # Get the input object
    record = event['Records'][0]
    input_bucket = record['s3']['bucket']['name']
    input_key = record['s3']['object']['key']
    
    # Download the input object
    s3_client = boto3.client('s3')
    input_object = s3_client.get_object(Bucket=input_bucket, Key=input_key)
    input_data = input_object['Body'].read()
    
    # Decode the input image
    input_image = Image.open(BytesIO(input_data)).convert('L')
    input_width, input_height = input_image.size
    
    # Reduce the colour depth from 10 to 8 bits
    reduced_image = input_image.quantize(colors=256)
    
    # Convert the reduced image back to bytes
    reduced_image_bytes = BytesIO()
    reduced_image.save(reduced_image_bytes, format='JPEG')
    reduced_image_bytes.seek(0)
    
    # Calculate the PSNR of the reduced image against the reference image
    psnr = calculate_psnr(reference_image, reduced_image)
    
    # Check if the output is valid
    if not is_valid(reduced_image_bytes, reference_image):
        raise ValueError("Output is not valid")
    
    # Upload the output object
    output_key = OUTPUT_PREFIX + input_key.rsplit('/', 1)[1]
    s3_client.put_object(Bucket=OUTPUT_BUCKET, Key=output_key, Body=reduced_image_bytes.getvalue())
    
    # Return the result
    return None

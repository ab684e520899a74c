import boto3
import numpy as np
import PIL
import os
import shutil
import hashlib
from PIL import Image
from PIL import ImageEnhance

def handler(event, context):
    # Extract the input object name
    obj_name = event['Records'][0]['object']['key'].split('.')[0]
    
    # Get the output bucket and prefix
    output_bucket = os.environ['OUTPUT_BUCKET']
    output_prefix = os.environ['OUTPUT_PREFIX']
    
    # Check if the output bucket exists
    if not boto3.resource('s3').Bucket(output_bucket).exists():
        raise ValueError(f"Output bucket {output_bucket} does not exist.")
    
    # Define the target dimensions
    target_width = 128
    target_height = 128
    
    # Check if the target dimensions are valid
    if target_width > target_height:
        raise ValueError("Target height must be less than or equal to target width.")
    
    # Get the input object and open it
    s3 = boto3.resource('s3')
    obj = s3.Object(output_bucket, obj_name)
    content = obj.get()['Body'].read()
    
    # Convert the image to grayscale
    img = Image.open(io.BytesIO(content))
    img = img.convert('L')
    
    # Calculate the standard deviation, mean and PSNR
    mean = img.mean()
    std_dev = img.std()
    psnr = np.log10(std_dev) * 100
    
    # Check if the image meets the criteria
    if mean < 0.1 or std_dev < 0.125 or psnr < 32:
        raise ValueError("The image does not meet the criteria.")
    
    # Get the reference image
    ref_img = Image.open(io.BytesIO(content))
    ref_mean = ref_img.mean()
    ref_std_dev = ref_img.std()
    psnr_ref = np.log10(ref_std_dev) * 100
    
    # Check if the image is a JPEG
    if ref_img.mode != 'L' or psnr_ref > 85:
        raise ValueError("The image is not a JPEG.")
    
    # Check if the image has the correct dimensions
    if ref_img.size != (target_width, target_height):
        raise ValueError(f"The image has the wrong dimensions ({ref_img.size}).")
    
    # Calculate the quality of the image
    quality = 90
    
    # Create a reference image with the same dimensions
    ref_img = Image.new('L', (target_width, target_height))
    ref_img.putpixel((0, 0), ref_mean)
    
    # Enhance the image
    enhancer = ImageEnhance.Brightness(ref_img)
    enhanced_img = enhancer.apply()
    
    # Write the enhanced image to the output bucket
    with open(os.path.join(output_bucket, output_prefix + '.jpg'), 'wb') as f:
        f.write(enhanced_img.tobytes())
    
    # Return success
    return 'Success'

# Example usage
# ...

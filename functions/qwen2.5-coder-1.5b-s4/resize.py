import boto3
import numpy as np
from PIL import Image
from io import BytesIO
from statistics import pstdev, stdev
from datetime import datetime

def handler(event, context):
    # Get the bucket and key from the event
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    key = event['Records'][0]['s3']['object']['key']
    # Get the input and output bucket and prefix from environment variables
    input_bucket = os.environ['INPUT_BUCKET']
    output_bucket = os.environ['OUTPUT_BUCKET']
    output_prefix = os.environ['OUTPUT_PREFIX']
    
    # Download the input file
    s3 = boto3.client('s3')
    input_file = s3.get_object(Bucket=input_bucket, Key=key)['Body'].read()
    
    # Open the input file as a PIL image
    with Image.open(BytesIO(input_file)) as img:
        # Check if the image is a greyscale image with 16 bits
        if img.mode != 'L' or img.depth != 16:
            raise Exception("Input image must be a 16-bit greyscale image")
        
        # Get the dimensions of the input image
        width, height = img.size
        
        # Resize the image to 800x600 pixels using Lanczos filter
        img = img.resize((800, 600), Image.ANTIALIAS)
        
        # Check if the resized image is 800x600 pixels
        if img.size != (800, 600):
            raise Exception("Resized image must be 800x600 pixels")
        
        # Check if the resized image is not blank
        if stdev(np.array(img)) < 0.1:
            raise Exception("Resized image is blank")
        
        # Check if the resized image has at least 0.125 of the reference's distinct levels
        ref_levels = np.unique(np.array(img)).size
        if ref_levels < 0.125 * np.unique(np.array(img)).size:
            raise Exception("Resized image has fewer distinct levels than the reference")
        
        # Check if the resized image mean is at most 10 times the reference's and not below one part in as many
        ref_mean = np.mean(np.array(img))
        if ref_mean > 10 * np.mean(np.array(img)):
            raise Exception("Resized image mean is more than 10 times the reference mean")
        if ref_mean < 1 / np.mean(np.array(img)):
            raise Exception("Resized image mean is below one part in as many as the reference mean")
        
        # Check if the resized image lies as the input does, neither turned nor mirrored
        if img.transpose(Image.FLIP_LEFT_RIGHT).tobytes() != input_file:
            raise Exception("Resized image is flipped")
        
        # Calculate the PSNR between the resized image and the reference
        ref_image = Image.open(BytesIO(input_file))
        ref_image = ref_image.resize((800, 600), Image.ANTIALIAS)
        ref_image = np.array(ref_image)
        img_array = np.array(img)
        psnr = 20 * np.log10(1023 / np.std(img_array))
        
        # Check if the PSNR is at least 40 dB (peak 1023)
        if psnr < 40:
            raise Exception("Resized image PSNR is less than 40 dB")
        
        # Upload the resized image to the output bucket
        s3.put_object(Bucket=output_bucket, Key=f'{output_prefix}{key.split("/")[-1]}.png', Body=img.tobytes())

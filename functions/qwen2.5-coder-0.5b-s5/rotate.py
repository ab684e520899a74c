import boto3
from PIL import Image, ImageFile
from io import BytesIO
import numpy as np
import statistics

# Constants
INPUT_BUCKET = os.environ['INPUT_BUCKET']
OUTPUT_BUCKET = os.environ['OUTPUT_BUCKET']
OUTPUT_PREFIX = os.environ['OUTPUT_PREFIX']

# Helper function to calculate PSNR
def calculate_psnr(image1, image2):
    image1 = Image.fromarray(image1)
    image2 = Image.fromarray(image2)
    return np.mean(np.abs(image1 - image2) / image1.max())

# Main Lambda function
def handler(event, context):
    # Check if the input is a valid JPEG
    if image := Image.open(BytesIO(event['body'].content)):
        # Get the height and width of the image
        height, width = image.height, image.width
        
        # Check if the image is a 8-bit greyscale
        if image.mode == 'L':
            # Calculate the PSNR
            psnr = calculate_psnr(image, image)
            
            # Check if the PSNR is at least 32 dB
            if psnr >= 32:
                # Write the image to the output bucket
                s3 = boto3.client('s3')
                s3.upload_fileobj(BytesIO(image), f'{OUTPUT_PREFIX}.{height}.{width}.jpg', bucket=OUTPUT_BUCKET)
                print(f'Image uploaded to {OUTPUT_BUCKET}/{OUTPUT_PREFIX}.{height}.{width}.jpg')
            else:
                raise ValueError('PSNR below 32 dB')
        
        else:
            raise ValueError('Input must be a 8-bit greyscale JPEG')
    
    else:
        raise ValueError('Invalid image format')

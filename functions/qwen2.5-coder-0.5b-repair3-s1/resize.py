import boto3
from PIL import Image
import numpy as np
import time

OUTPUT_BUCKET = "your-output-bucket-name"
OUTPUT_PREFIX = "some/folder/photo."

def handler(event, context):
    try:
        # Check if the object is a PNG file
        if not event['s3']['object']['contentType'].lower().startswith('image/png'):
            raise ValueError("Input is not a PNG file.")
        
        # Get the input image
        s3_client = boto3.client('s3')
        image = s3_client.get_object(Bucket=event['s3']['bucket']['name'], Key=event['s3']['object']['key'])
        image_data = image['Body'].read()
    
        # Convert to numpy array
        image_array = np.array(image_data)
    
        # Resize the image
        new_width = 800
        new_height = 600
        resized_image = Image.fromarray(image_array, mode='L').resize((new_width, new_height))
    
        # Check if the image is grayscale
        if resized_image.shape[0] != 1 or resized_image.shape[1] != 1:
            raise ValueError("The image is not grayscale.")
    
        # Check if the image is not blank
        if np.any(resized_image.sum(axis=2) > 1023):
            raise ValueError("The image is blank.")
    
        # Check if the image is not turned or mirrored
        if np.any(np.abs(resized_image.mean()) - 1000 > 0.1):
            raise ValueError("The image is not turned or mirrored.")
    
        # Check if the PSNR against the reference is at least 40 dB
        psnr = np.square(np.abs(resized_image - Image.fromarray(resized_image.mean().astype('uint8')))).sum() / resized_image.size
        if psnr < 40:
            raise ValueError("The PSNR against the reference is below 40 dB.")
    
        # Write the resized image to the output bucket
        s3_client.put_object(Bucket=OUTPUT_BUCKET, Key=OUTPUT_PREFIX + event['s3']['object']['key'], Body=resized_image.tobytes())
    
        # Return the output key
        return event['s3']['object']['key']
    except KeyError as e:
        print(f"Function error: {e}")
        return None
    except Exception as e:
        print(f"Error: {e}")
        return None

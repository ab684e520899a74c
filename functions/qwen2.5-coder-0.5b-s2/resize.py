import boto3
import numpy as np
import PIL
import os
import time

# Initialize the Lambda context and environment variables
lambda_context = boto3.client('lambda')
env = lambda_context.invoke_role().get('Role').get('Environment')

# Define the output bucket and prefix
OUTPUT_BUCKET = env['OUTPUT_BUCKET']
OUTPUT_PREFIX = env['OUTPUT_PREFIX']

# Define the input parameters
input_key = os.path.basename(env['INPUT_KEY'])
input_size = os.path.getsize(env['INPUT_KEY'])

# Define the reference image size and pixel ratio
REFERENCE_SIZE = (16, 16)
PIL_SIZE = (800, 600)
PIL_RATIO = (REFERENCE_SIZE[0] / PIL_SIZE[1])

# Define the PSNR threshold
PSNR_THRESHOLD = 40

# Define the output file key
OUTPUT_FILE_KEY = os.path.join(OUTPUT_BUCKET, f"{OUTPUT_PREFIX}_{input_key}.png")

# Define the function to resize the image
def resize_image(key, size, ratio):
    image = PIL.Image.open(key)
    image = image.resize((int(size[0] * ratio), int(size[1] * ratio)), PIL.LanczosFilter())
    return image

# Main function to handle the Lambda event
def handler(event, context):
    try:
        # Get the input file key
        input_key = os.path.basename(event['Records'][0]['s3']['object']['key'])
        
        # Get the input file size
        input_size = os.path.getsize(event['Records'][0]['s3']['object']['size'])
        
        # Get the reference image size and pixel ratio
        reference_size = (16, 16)
        PIL_SIZE = (800, 600)
        PIL_RATIO = (REFERENCE_SIZE[0] / PIL_SIZE[1])
        
        # Get the PSNR threshold
        PSNR_THRESHOLD = 40
        
        # Get the output file key
        output_file_key = os.path.join(OUTPUT_BUCKET, f"{OUTPUT_PREFIX}_{input_key}.png")
        
        # Check if the output file already exists
        if os.path.exists(output_file_key):
            raise Exception(f"Output file already exists: {output_file_key}")
        
        # Resize the image
        resized_image = resize_image(input_key, PIL_SIZE, PIL_RATIO)
        
        # Calculate the PSNR
        psnr = np.sqrt(np.mean((resized_image - PIL_SIZE) ** 2))
        
        # Create the output file
        with open(output_file_key, 'wb') as output_file:
            output_file.write(resized_image.tobytes())
        
        # Check if the PSNR is within the threshold
        if psnr < PSNR_THRESHOLD:
            return f"Output file is correct: {output_file_key}"
        else:
            return f"Output file is incorrect: {output_file_key} (PSNR: {psnr})"

    except Exception as e:
        return f"An error occurred: {e}"

# Execute the Lambda function
lambda_context.invoke_handler(handler)

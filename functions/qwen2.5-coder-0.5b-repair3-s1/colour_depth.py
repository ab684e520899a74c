import boto3
import numpy as np
import PIL
import io
import base64

# AWS Lambda function
def handler(event, context):
    # Extract the necessary data from the event
    input_key = event['Records'][0]['s3']['object']['key']
    input_bucket = event['Records'][0]['s3']['bucket']['name']
    output_bucket = process_input(input_bucket, input_key)
    output_prefix = event['Records'][0]['s3']['object']['key'].split('/')[-1]
    
    # Load the PNG input
    img = PIL.Image.open(io.BytesIO(base64.b64decode(input_key)))
    img = img.convert('L')  # Convert to 8-bit grayscale
    
    # Process the image
    processed_img = process_image(img)
    
    # Create the output file
    with open(f"{output_bucket}/{output_prefix}.jpg", 'wb') as f:
        img.save(f, 'JPEG', quality=90)
    
    return "Output generated successfully"

# Process the input image
def process_image(img):
    # Calculate the mean and standard deviation
    mean = img.mean()
    std_dev = img.std()
    
    # Check the image's quality
    if std_dev < 0.1:
        raise ValueError("Image is too small to pass quality check.")
    
    # Check the image's PSNR
    psnr = calculate_psnr(img)
    if psnr < 32:
        raise ValueError("Image has a low PSNR.")
    
    # Check the image's mean
    if mean < 0.125:
        raise ValueError("Image has a low mean.")
    
    # Check the image's mean
    if mean < 2:
        raise ValueError("Image has a low mean.")
    
    # Check the image's PSNR against the reference
    reference_img = PIL.Image.open(io.BytesIO(processed_img.tostring('RGB')))
    psnr_ref = calculate_psnr(reference_img)
    if psnr_ref < 32:
        raise ValueError("Image PSNR is too low.")
    
    return "Image processed successfully"

# Calculate PSNR
def calculate_psnr(img1, img2):
    # Convert images to RGB
    img1_rgb = PIL.Image.fromarray(img1.tobytes(), 'RGB')
    img2_rgb = PIL.Image.fromarray(img2.tobytes(), 'RGB')
    
    # Calculate PSNR
    mse = np.mean((img1_rgb - img2_rgb) ** 2)
    if mse > 1:
        raise ValueError("Image has a high MSE.")
    
    # Calculate PSNR
    ssim = np.mean(img1_rgb * img2_rgb)
    if ssim > 1:
        raise ValueError("Image has a high SSIM.")
    
    # Calculate PSNR
    psnr = np.sqrt(mse / ssim)
    return psnr

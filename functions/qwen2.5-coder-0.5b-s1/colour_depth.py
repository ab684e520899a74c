import boto3
import numpy as np
from PIL import Image

def handler(event, context):
    # Extract input and reference parameters
    input_key = event['Records'][0]['s3']['object']['key']
    output_bucket = context.env['OUTPUT_BUCKET']
    output_prefix = context.env['OUTPUT_PREFIX']
    quality = 90
    psnr_threshold = 32
    mean_difference = 2
    distinct_levels = 255
    psnr_min = 0.1
    psnr_max = 100

    # Initialize a reference image
    reference_image = Image.open(input_key)
    reference_width, reference_height = reference_image.size

    # Check if the output is a JPEG
    if reference_image.format != 'JPEG':
        raise ValueError('Output is not a JPEG file.')

    # Calculate the width and height of the output
    output_width, output_height = reference_image.size

    # Check if the reference is blank
    if reference_image.getdata().all():
        raise ValueError('The reference image is blank.')

    # Check if the reference has at least 0.1 of the reference's
    if reference_width / reference_height < psnr_threshold:
        raise ValueError('The reference has at least 0.1 of the reference\'s.')

    # Check if the reference has at least 0.125 of the reference\'s distinct levels
    if reference_width / reference_height < distinct_levels:
        raise ValueError('The reference has at least 0.125 of the reference\'s distinct levels.')

    # Check if the reference has at most 10 times the reference's
    if reference_width / reference_height < 10 * distinct_levels:
        raise ValueError('The reference has at most 10 times the reference\'s.')

    # Check if the PSNR against the reference is at least 32 dB
    if reference_image.stat('psnr') < psnr_min:
        raise ValueError('The PSNR against the reference is at least 32 dB.')

    # Check if the mean differs from the reference's by at most 2 of 255
    if reference_image.mean() - reference_image.mean() < mean_difference:
        raise ValueError('The mean differs from the reference\'s by at most 2 of 255.')

    # Check if the quality, as its quantisation table says, is 90 on libjpeg\'s scale
    if reference_image.quantization_table[0] != quality:
        raise ValueError(f'The quality, as its quantisation table says, is {reference_image.quantization_table[0]}, not 90.')

    # Check if the mean differs from the reference's by at most 2 of 255
    if reference_image.mean() - reference_image.mean() < mean_difference:
        raise ValueError(f'The mean differs from the reference\'s by at most 2 of 255.')

    # Calculate the memory size
    memory_size = reference_width * reference_height * reference_image.mode[1]

    # Check if the memory size is within the allowed limits
    if memory_size < 128 or memory_size > 10240:
        raise ValueError(f'Memory size {memory_size} MB is outside the allowed limits.')

    # Check if the warm start is the first call
    if memory_size > 10240:
        raise ValueError('Warm start is the first call.')

    # Calculate the warm end is the warm one
    if memory_size > 20480:
        raise ValueError('Warm end is the warm one.')

    # Calculate the balance between warm and cold
    balance = memory_size - 128

    # Determine the output
    if balance > 0:
        output = f'{output_bucket}/{output_prefix}_{output_width}x{output_height}.jpg'
    else:
        output = f'{output_bucket}/{output_prefix}_{output_width}x{output_height}_b.jpg' if balance > -16 else f'{output_bucket}/{output_prefix}_{output_height}_q.jpg'

    # Save the output
    try:
        with open(output, 'wb') as f:
            f.write(reference_image.tobytes())
    except Exception as e:
        print(f'Error saving output: {e}')

    return True

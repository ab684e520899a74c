from boto3 import session
import numpy as np
from PIL import Image
import io

def handler(event, context):
    # Extract input parameters
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_name = event['Records'][0]['s3']['object']['key']
    reference_filename = event['Records'][0]['s3']['object']['key'].replace('.jpg', '.reference')

    # Create an S3 client
    session = session.Session()
    s3 = session.client('s3')

    # Download the input file
    response = s3.get_object(Bucket=bucket_name, Key=object_name)
    input_data = response['Body'].read()

    # Process the input data
    # Map each sample to 0 to 1023, rounding to the nearest level
    input_data = np.clip(np.round(input_data), 0, 1023).astype(int)

    # Convert the numpy array to an image
    image = Image.fromarray(input_data)

    # Define a reference image
    reference_image = Image.open(reference_filename)

    # Calculate PSNR
    psnr = image.statistics()[0] / reference_image.statistics()[0]

    # Calculate the mean
    mean = image.statistics()[1] / reference_image.statistics()[1]

    # Check if all conditions are met
    if psnr > 32 and mean > 10 and mean < 100:
        # Write the processed image
        with io.BytesIO() as output:
            image.save(output, format='JPEG', quality=90)
            # Return the output as a reference
            return reference_image
    else:
        # Raise an exception if any condition is not met
        raise Exception(f"Invalid image: PSNR {psnr:.2f} dB, mean {mean:.2f} dB")

import boto3
from PIL import Image
import numpy as np

# Constants
S3_BUCKET = 'example-bucket'
S3_PREFIX = 'some/folder/photo'
OUTPUT_BUCKET = 'example-bucket'
OUTPUT_PREFIX = 'photo.png'
OUTPUT_MEMORY_SIZE = 128 * 10240  # MB

# Lambda function handler
def handler(event, context):
    bucket_name = event['Records'][0]['s3']['bucket']['name']
    object_key = event['Records'][0]['s3']['object']['key']
    image_data = event['Records'][0]['s3']['object']['data']
    size = len(image_data)

    if size == 0:
        raise ValueError("Input object is empty")

    try:
        # Load the image
        image = Image.open(io.BytesIO(image_data))

        # Convert to grayscale
        image = image.convert("L")

        # Get the height and width of the image
        height, width = image.size

        # Calculate the reference image
        reference_image = Image.open(io.BytesIO(open(os.path.join(S3_BUCKET, OUTPUT_PREFIX), 'rb')))
        reference_image = reference_image.convert("L")

        # Calculate the mean of the reference image
        reference_mean = reference_image.mean()

        # Calculate the standard deviation of the reference image
        reference_std_dev = reference_image.std()

        # Calculate the number of samples in the reference image
        num_samples = reference_image.size[0] * reference_image.size[1]

        # Calculate the deviation of each sample from the reference image
        deviations = []
        for i in range(num_samples):
            deviation = abs(reference_mean - reference_image.getpixel((i, i)))
            deviations.append(deviation)

        # Check if any sample differs from the reference by more than 1 of 1023
        if any(deviation > 1.1 for deviation in deviations):
            raise ValueError("Sample differs from the reference by more than 1 of 1023")

        # Check if any sample lies as the input does, neither turned nor mirrored
        if not all(image.getpixel((i, i)) == image.getpixel((i, i + 1)) for i in range(height - 1)):
            raise ValueError("Output does not lie as the input does, neither turned nor mirrored")

        # Check if no sample differs from the reference by more than 16 of 1023 outside their range
        if any(deviation > 16 for deviation in deviations):
            raise ValueError("Sample differs from the reference by more than 16 of 1023 outside their range")

        # Check if all samples of one level are off by at most 1.5 on average
        if any(deviation > 1.5 for deviation in deviations):
            raise ValueError("Sample differs from the reference by more than 1.5 on average")

        # Check if all samples of one colour by at most 3. It fails if it is one decoder's samples with another scale, offset or weights
        if any(deviation > 3 for deviation in deviations):
            raise ValueError("Sample differs from the reference by more than 3. It fails if it is one decoder's samples with another scale, offset or weights")

        # Calculate the return value
        return "Success"
    except Exception as e:
        print(f"Error processing the image: {e}")
        return "Error"

# Main execution
if __name__ == "__main__":
    try:
        handler(event, context)
    except Exception as e:
        print(f"Lambda function error: {e}")

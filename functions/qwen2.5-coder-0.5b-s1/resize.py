import boto3
import numpy as np
import PIL
from PIL import Image
import io
from io import BytesIO

def handler(event, context):
    # Extract the event parameters
    bucket = event['Records'][0]['s3']['bucket']['arn']
    key = event['Records'][0]['s3']['object']['key']
    region = event['Records'][0]['s3']['configurationId']
    object_size = event['Records'][0]['s3']['size']
    s3_schema_version = event['Records'][0]['s3']['s3SchemaVersion']
    
    # Open the input PNG
    with open(f'{bucket}/{key}', 'rb') as f:
        img = Image.open(f)
    
    # Check if the image is a PNG
    if img.format != 'PNG':
        raise ValueError("The input is not a PNG file.")
    
    # Get the image dimensions
    width, height = img.size
    
    # Check if the image is 800x600 pixels
    if width != 800 or height != 600:
        raise ValueError("The input image is not 800x600 pixels.")
    
    # Check if the image is not blank
    if np.all(img.getdata() >= 1023):
        raise ValueError("The input image is blank.")
    
    # Check if the image is turned or mirrored
    if np.all(img.getdata() < 0):
        raise ValueError("The image is turned.")
    
    # Check if the PSNR against the reference is at least 40 dB
    psnr = img.statistics()[0] / img.statistics()[1]
    if psnr < 40:
        raise ValueError("The PSNR is below 40 dB.")
    
    # Calculate the mean and standard deviation of the image
    mean = np.mean(img.getdata())
    std_dev = np.std(img.getdata())
    
    # Check if the mean is at most 10 times the reference
    if mean > 10 * img.statistics()[1]:
        raise ValueError("The mean is above 10 times the reference.")
    
    # Get the last segment of the input key
    last_segment = key.split('/')[-1]
    
    # Generate a reference image of the same size
    reference = Image.new('L', (800, 600))
    for i in range(800):
        for j in range(600):
            reference.putpixel((i, j), int(mean + i * std_dev))
    
    # Calculate the PSNR against the reference
    reference_psnr = reference.statistics()[0] / reference.statistics()[1]
    
    # Compare the results
    if reference_psnr >= 40:
        return {"success": True, "output": key}
    else:
        return {"success": False, "output": None}

# Example usage:
# print(handler({'Records': [{'awsRegion': 'us-east-1',
#                               'eventName': 'ObjectCreated:Put',
#                               'eventSource': 'aws:s3',
#                               'eventTime': '2026-01-31T12:00:00.000Z',
#                               'eventVersion': '2.1',
#                               'requestParameters': {
#                                   "sourceIPAddress": "192.0.2.1"
#                               },
#                               'responseElements': {},
#                               's3': {
#                                   "bucket": {
#                                       "arn": "arn:aws:s3:::example-bucket",
#                                       "name": "example-bucket",
#                                       "ownerIdentity": {
#                                           "principalId": "EXAMPLEOWNER"
#                                       }
#                                   },
#                                   "configurationId": "object-created",
#                                   "object": {
#                                       "key": "some/folder/photo.png",
#                                       "sequencer": "20260131120000000",
#                                       "size": 123456
#                                   },
#                                   "s3SchemaVersion": "1.0"
#                               },
#                               "userIdentity": {
#                                   "principalId": "AWS:EXAMPLEUSER"
#                               }
#                           }
#                       },
#                       'outputBucket': 'example-bucket',
#                       'outputPrefix': 'photo',
#                       'region': 'us-east-1',
#                       'credentials': {
#                           "principalId": "AWS:EXAMPLEUSER"
#                       }
#                   }
#               ], "s3": {'bucket': {'arn': 'arn:aws:s3:::example-bucket',
#                               'name': 'example-bucket',
#                               'ownerIdentity': {
#                                   "principalId": "EXAMPLEOWNER"
#                               }
#                               },
#                               "configurationId": "object-created",
#                               "object": {
#                                   "key": "some/folder/photo.x",
#                                   "sequencer": "20260131120000000",
#                                   "size": 123456
#                               },
#                               "s3SchemaVersion": "1.0"
#                               },
#                               "userIdentity": {
#                                   "principalId": "AWS:EXAMPLEUSER"
#                               }
#                   }
#           })

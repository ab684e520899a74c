BUCKET = 'my-prod-bucket'


class Settings:
    bucket = BUCKET


S3 = {'out': {'bucket': BUCKET}}

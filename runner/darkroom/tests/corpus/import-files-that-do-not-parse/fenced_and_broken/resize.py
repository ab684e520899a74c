```python
def handler(event, context):
    return work(event)
```

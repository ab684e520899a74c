"""Hands the whole event on: nothing here says how the image comes."""


def work(**given):
    return given["image"]


def handler(event, context):
    return {"image": work(**event)}

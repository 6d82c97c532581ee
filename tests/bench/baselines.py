# SPDX-License-Identifier: Apache-2.0
"""The services to compare with: as most would write them, one INSERT a request."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import AfterwordError
from app.core.http import Edge, problem_reply
from app.core.settings import Settings
from app.main import Afterword, create_app
from app.responses.intake import PATH, take_body

URL = os.environ.get("AFTERWORD_DATABASE_URL", "")
TABLE = """create table if not exists baseline_answer (
  id uuid primary key, survey text not null, channel text not null, answers jsonb not null,
  created_at timestamptz not null default now())"""


class AnswerIn(BaseModel):
    """What is submitted."""

    survey: str
    channel: str
    answers: dict[str, Any]


class BaselineAnswer(SQLModel, table=True):
    """The row."""

    __tablename__ = "baseline_answer"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    survey: str
    channel: str
    answers: dict[str, Any] = Field(sa_type=JSONB)


def sqlmodel_service() -> FastAPI:
    """FastAPI, SQLModel and asyncpg: one INSERT and one commit a request."""
    engine = create_async_engine(
        URL.replace("postgresql://", "postgresql+asyncpg://"), pool_size=20
    )
    sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    app = FastAPI()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    @app.post("/v1/responses", status_code=201)
    async def post(
        body: AnswerIn, opened: Annotated[AsyncSession, Depends(session)]
    ) -> BaselineAnswer:
        answer = BaselineAnswer(**body.model_dump())
        opened.add(answer)
        await opened.commit()
        return answer

    return app


def asyncpg_service() -> FastAPI:
    """FastAPI and raw asyncpg: one INSERT a request."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(URL, min_size=20, max_size=20) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/responses", status_code=201)
    async def post(body: AnswerIn, request: Request) -> dict[str, Any]:
        id_ = uuid4()
        await request.app.state.pool.execute(
            "insert into baseline_answer (id, survey, channel, answers) values ($1, $2, $3, $4)",
            id_,
            body.survey,
            body.channel,
            json.dumps(body.answers),
        )
        return {"id": id_, "survey": body.survey}

    return app


async def _decode_only(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await take_body(Request(scope, receive))
        reply = Response(b"{}", status_code=201, media_type="application/json")
    except AfterwordError as error:
        reply = problem_reply(error)
    await reply(scope, receive, send)


def decode_only_service() -> FastAPI:
    """Our own service whose hot route stops after decoding."""
    app = create_app(Settings())
    Afterword.hot["POST", PATH] = Edge(_decode_only)
    return app
